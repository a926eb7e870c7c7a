"""How people stand and move: skeletons, files of joints, finding them in pictures, and a mannequin."""
