"""The processes of one Harken and what they share: the folder, the bells, the first start."""
